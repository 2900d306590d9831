// Uploads one file with the public tus client, through whatever happens, and prints where it is and what it is called:
//   node tus_client.cjs <endpoint> <file>
const fs = require('fs')
const path = require('path')
const tus = require('tus-js-client')

const [endpoint, file] = process.argv.slice(2)
const upload = new tus.Upload(fs.createReadStream(file), {
  endpoint,
  retryDelays: Array(600).fill(100),
  metadata: { filename: path.basename(file), filetype: 'video/mp4' },
  onError(error) {
    console.error(String(error))
    process.exit(1)
  },
  onSuccess({ lastResponse }) {
    console.log(JSON.stringify({ url: upload.url, input: lastResponse.getHeader('Tidings-Input') }))
  },
})
upload.start()

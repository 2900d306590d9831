/**
 * Leave to hold a stream open. HTTP/1.1 browsers allow six connections per host across all tabs, and the seventh
 * request hangs without a word; so all tabs together share four streams and leave the rest to requests.
 */

const SLOTS = 4;
const SLOTS_OF_A_LONE_TAB = 2;

/**
 * @returns {Promise<?() => void>} the slot's release, or null when all are taken
 */
export async function takeSlot() {
  if (!navigator.locks) return takeOwnSlot(); // only where the page came by HTTPS or localhost
  for (let n = 1; n <= SLOTS; n += 1) {
    const release = await tryLock(`tidings.stream.${n}`);
    if (release) return release;
  }
  return null;
}

function tryLock(name) {
  return new Promise((resolve) => {
    const hold = (lock) => (lock ? new Promise((release) => resolve(release)) : resolve(null));
    navigator.locks.request(name, { ifAvailable: true }, hold).catch(() => resolve(null));
  });
}

let taken = 0;

function takeOwnSlot() {
  if (taken === SLOTS_OF_A_LONE_TAB) return null;
  taken += 1;
  return () => {
    taken -= 1;
  };
}

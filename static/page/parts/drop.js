/** Files dropped anywhere on the page. The page hands them to the form. */

/** @param {HTMLElement} veil shown while a file hovers @param {(file: File) => void} onFile */
export function acceptDrops(veil, onFile) {
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.ondragover = (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    veil.hidden = false;
  };
  document.ondragleave = (event) => {
    if (!event.relatedTarget) veil.hidden = true; // left the window
  };
  document.ondrop = (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    veil.hidden = true;
    if (event.dataTransfer.files.length) onFile(event.dataTransfer.files[0]);
  };
}

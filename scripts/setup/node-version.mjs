/**
 * Node 21 is left out: it is an end-of-life line that several of our dependencies refuse.
 * @param {string} version such as `20.20.2`
 * @returns {string | undefined} one sentence, or undefined when this Node will do
 */
export function problemWithNode(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major >= 22 || (major === 20 && minor >= 20)) return undefined;
  return `Offboil needs Node 20.20 or newer in the 20 line, or 22 and newer; this is ${version}. Nothing was changed.`;
}

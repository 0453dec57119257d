/** One word of a POSIX shell command line, whatever it contains. */
export function quote(word: string): string {
  return /^[A-Za-z0-9_/.:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function commandLine(words: readonly string[]): string {
  return words.map(quote).join(' ');
}

/** A field of an fstab line: blanks and backslashes as octal escapes, see fstab(5). */
export function fstabField(text: string): string {
  return text.replaceAll(/[\s\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

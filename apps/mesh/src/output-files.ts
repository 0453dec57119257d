import { renameSync, writeFileSync } from 'node:fs';

/** Writes a file in one go: whoever reads it sees all of the old or all of the new. */
export function writeReplacing(file: string, content: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o644 });
  renameSync(temporary, file);
}

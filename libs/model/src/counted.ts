/** A number with its noun, as a person writes it: `1 service`, `2 services`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

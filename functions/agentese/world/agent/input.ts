/** What is asked of an agent, in words. */

export function textFor(input: unknown): string {
  return typeof input === 'string' ? input : (JSON.stringify(input) ?? '')
}

export function misfitOf(_output: unknown, _input: unknown): string | undefined {
  return undefined
}

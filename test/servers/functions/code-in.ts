/** The code of a failure, as problem details have it or as clients of OpenAI read it. */
export function codeIn(body: { code?: string; error?: string | { code?: string } }): string | undefined {
  const { code, error } = body
  return code ?? (typeof error === 'object' ? error.code?.toUpperCase() : undefined)
}

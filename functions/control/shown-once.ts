/**
 * Secrets that are shown once: in the answer that made them, and in no repetition of it. What is written down for a
 * repetition under the same `Idempotency-Key` is the answer without them.
 */

const SECRETS = new WeakMap<object, Record<string, string>>()

/** Notes what is shown with `answer`, as long as that very object lives. */
export function showOnce<T extends object>(answer: T, secrets: Record<string, string>): T {
  SECRETS.set(answer, secrets)
  return answer
}

/** For `reveal` of a route: the answer, with its secrets where it is the first one. */
export function withSecrets<T extends object>(answer: T): T {
  return { ...answer, ...SECRETS.get(answer) }
}

/** Reads a form (`application/x-www-form-urlencoded`) as OAuth sends it. */
import { Failure } from '../failures.ts'
import { decodeBody, readBytes } from './read-body.ts'

/** Whether `Content-Type` says that the body is a form. */
export function isForm(type = ''): boolean {
  return /^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)
}

/**
 * The fields of a form. Each may come once; one that is empty counts as absent (RFC 6749, 3.2).
 *
 * @throws Failure BODY_TOO_LARGE, or BODY_SYNTAX where a field comes twice
 */
export async function readForm(request: Request): Promise<Record<string, string>> {
  const fields: Record<string, string> = {}
  for (const [name, value] of new URLSearchParams(decodeBody(await readBytes(request)))) {
    if (Object.hasOwn(fields, name))
      throw new Failure('BODY_SYNTAX', `Cannot read the form: "${name}" comes twice`)
    if (value.includes('\0')) throw new Failure('BODY_SYNTAX', `Cannot read the form: "${name}" contains NUL`)
    Object.defineProperty(fields, name, { value, enumerable: true, configurable: true })
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))
}

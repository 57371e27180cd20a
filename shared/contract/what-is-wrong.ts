/** Describes why something does not fit its schema, for every answer that reports it. */
import type { z } from 'zod'

/** Mistakes that are reported at once; further ones follow when these are corrected. */
const MAX_REPORTED = 3

/**
 * What is wrong, member by member: `"amount": Too big`; of the whole, without a name: `name grant or amount`.
 *
 * @param within the member that was checked, where it is part of what the caller sent
 */
export function whatIsWrong({ issues }: z.ZodError, within: readonly string[] = []): string {
  return issues
    .slice(0, MAX_REPORTED)
    .map(({ path, message }) => {
      const member = [...within, ...path].join('.')
      return member === '' ? message : `"${member}": ${message}`
    })
    .join('; ')
}

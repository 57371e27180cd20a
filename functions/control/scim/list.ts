/** Lists of SCIM: pages that begin at an index, counted from 1. */
import { z } from 'zod'

const MAX_COUNT = 200

/** What is below or above the bounds is set to them (RFC 7644, 3.4.2.4). */
function bounded(minimum: number, maximum: number, otherwise: number) {
  return z.coerce
    .number()
    .int()
    .catch(otherwise)
    .default(otherwise)
    .transform((count) => Math.min(Math.max(count, minimum), maximum))
    .pipe(z.int())
}

export const ListQuery = z.object({
  filter: z.string().optional().describe('Such as `userName eq "ada@example.com"`'),
  startIndex: bounded(1, 1_000_000_000, 1),
  count: bounded(0, MAX_COUNT, 100),
  attributes: z.string().optional(),
  excludedAttributes: z.string().optional(),
})
export type ListQuery = z.infer<typeof ListQuery>

export function listOf<T>(page: readonly T[], total: number, { startIndex }: Pick<ListQuery, 'startIndex'>) {
  return {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
    totalResults: total,
    startIndex,
    itemsPerPage: page.length,
    Resources: [...page],
  }
}

/** Whether a request wants none of `name`. */
export function excludes(
  { excludedAttributes = '' }: Pick<ListQuery, 'excludedAttributes'>,
  name: string,
): boolean {
  return excludedAttributes
    .toLowerCase()
    .split(',')
    .map((each) => each.trim())
    .includes(name)
}

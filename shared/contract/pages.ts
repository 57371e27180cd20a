/** Lists are returned in pages: at most `limit` entries, and a `next_cursor` where there are more. */

/**
 * The page out of rows that were read with `limit + 1`, so that one too many means that there are more.
 *
 * @param cursorOf what the caller sends to get the page after the one that ends with this row
 */
export function cutPage<T>(
  rows: readonly T[],
  limit: number,
  cursorOf: (last: T) => string,
): { page: T[]; next_cursor: string | null } {
  const page = rows.slice(0, limit)
  const last = rows.length > limit ? page.at(-1) : undefined
  return { page, next_cursor: last === undefined ? null : cursorOf(last) }
}

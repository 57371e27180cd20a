/** How deep somebody else's JSON is nested: whatever walks through it takes that much room. */

/** Whether `value` has members inside members more than `most` times. */
export function isDeeper(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return most === 0 || Object.values(value).some((each) => isDeeper(each, most - 1))
}

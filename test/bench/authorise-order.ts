/** What the program of the section `entitlement` is ordered to do, and what it answers. */

/** Each does what the one before it does, and more. `nothing` is what the process and the database use on their own. */
export const PARTS = ['nothing', 'authorise', 'entitle', 'meter'] as const
export type Part = (typeof PARTS)[number]

export interface Order {
  part: Part
  calls: number
  perSecond: number
}

/** Microseconds of CPU of the program's process. */
export interface Used {
  cpu: number
}

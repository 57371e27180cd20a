/** Measures each kind of call on each subject in turn, so that what disturbs the machine disturbs them alike. */
import type { Generator } from './generators/generator.ts'
import { inTurn, type Bench } from './section.ts'
import { KINDS, type Kind, type Subject } from './subjects.ts'

export type Subjects = Record<string, Subject>

/** By `laneOf`, one for each round. */
export type Results<T> = Record<string, T[]>

export function laneOf(kind: Kind, name: string): string {
  return `${kind}, ${name}`
}

export function forEachLane<T>(
  subjects: Subjects,
  rounds: number,
  measure: (kind: Kind, name: string, subject: Subject, round: number) => Promise<T>,
): Promise<Results<T>> {
  const lanes = KINDS.flatMap((kind) =>
    Object.keys(subjects).map((name) => [laneOf(kind, name), kind, name] as const),
  )
  const byLane = new Map(lanes.map(([lane, kind, name]) => [lane, { kind, name }]))
  return inTurn([...byLane.keys()], rounds, (lane, round) => {
    const { kind, name } = byLane.get(lane) as { kind: Kind; name: string }
    return measure(kind, name, subjects[name] as Subject, round)
  })
}

/** Until all that runs at each call is compiled. */
export async function warmUp(subjects: Subjects, generator: Generator, { quick, say }: Bench): Promise<void> {
  say('warming up')
  const load = { connections: 8, seconds: quick ? 1 : 5 }
  await forEachLane(subjects, 1, async (kind, _name, { port, requests, settle }) => {
    await generator.push(port, { ...load, requests: requests[kind] })
    await settle()
  })
}

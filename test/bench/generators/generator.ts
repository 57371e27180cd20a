/**
 * Who makes the load. A native program costs a fraction of what it measures; ours costs as much as that, so it is used
 * where there is none in PATH. (`oha` sends the same headers with each request, but each tenant has its own token.)
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pushLoad, type Load, type LoadResult } from './load.ts'
import { offerLoad, type OfferedLoad } from './offer-load.ts'
import { pushWithVegeta, offerWithVegeta } from './vegeta.ts'
import { offerWithWrk, pushWithWrk } from './wrk.ts'

export interface Generator {
  /** For people: what is used for what. */
  description: string
  /** As much load as its connections make: each sends its next request when it has its answer. */
  push(port: number, load: Load): Promise<LoadResult>
  /** So many requests per second, whether or not answers keep up. */
  offer(port: number, load: OfferedLoad): Promise<LoadResult>
}

/** The best at each comes first. */
const PUSHERS = { wrk: pushWithWrk, vegeta: pushWithVegeta, ours: pushLoad }
const OFFERERS = { vegeta: offerWithVegeta, wrk: offerWithWrk, ours: offerLoad }

export function findGenerator(): Generator {
  const [pusher, push] = firstInPath(PUSHERS)
  const [offerer, offer] = firstInPath(OFFERERS)
  return { description: `${pusher} for highest rates, ${offerer} for steady ones`, push, offer }
}

function firstInPath<T>(programs: Record<string, T>): [name: string, T] {
  const found = Object.entries(programs).find(([name]) => name === 'ours' || isInPath(name))
  if (found === undefined) throw new TypeError('ours is always there')
  return found
}

function isInPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

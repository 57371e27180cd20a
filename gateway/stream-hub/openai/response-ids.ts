/** Ids of the Responses API: each is made of its job, so that nothing has to be kept beside it. */

/** `resp_` and the job without its hyphens. */
const RESPONSE_ID = /^resp_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/

export function idOf(kind: 'resp' | 'msg' | 'fc', job: string, part?: number): string {
  return `${kind}_${job.replaceAll('-', '')}${part === undefined ? '' : `_${part}`}`
}

/** What no job has: an id that is none of ours finds nothing. */
const NO_JOB = '00000000-0000-0000-0000-000000000000'

/** The job of a response. */
export function jobIn(response: string): string {
  const parts = RESPONSE_ID.exec(response)
  return parts === null ? NO_JOB : parts.slice(1).join('-')
}

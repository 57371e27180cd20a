/**
 * The `TOKENS` log of one job, as its worker reads and writes it.
 *
 * Promises: the log of one attempt begins with `started` or `restart`, stored only if nobody wrote in between;
 * indices rise by one; what was written while NATS was unavailable is written again when it is back, and if NATS lost
 * the log (it is kept in memory) the whole text is. A chunk costs one publish and no wait (measured: about 50 µs, so
 * even the fastest engines' tokens are sent one by one).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { NatsError, type JetStreamManager, type StoredMsg } from 'nats'
import { fromNats, isEventMessage } from '../shared/nats/event-message.ts'
import { ageOf } from '../shared/new-id.ts'
import { tokensSubject } from '../shared/nats/subjects.ts'
import {
  estimateTokens,
  TokenMessage,
  type JobMessage,
  type TokenUsage,
} from '../shared/inference/messages.ts'
import type { Prefix } from './engines/engine.ts'
import type { NatsLink } from '../shared/nats/link.ts'
import { readProgress, type Progress } from './progress.ts'

const STREAM = 'TOKENS'

/** `closed`: the job has ended, or was cancelled. `superseded`: a later attempt writes this log now. */
export type LogState = 'open' | 'closed' | 'superseded'

export interface TokenLogOptions {
  tenant: string
  job: string
  /** Which delivery of the job this is; raised where the log already knows a higher one. */
  attempt: number
  /** Ends the wait for NATS, or for the stream. */
  signal: AbortSignal
  /** Called once when there is something to wait for. */
  onWait: (error: NatsError) => void
}

type Stored = { seq: number; closing: true } | { seq: number; closing: false; message: TokenMessage }

export class TokenLog {
  /** What stood in the log before, to be continued; absent where this attempt begins anew, or has done so. */
  prefix: Prefix | undefined
  readonly attempt: number
  /** All text that stands, the prefix included. */
  text: string
  readonly #link: NatsLink
  readonly #jsm: JetStreamManager
  readonly #subject: string
  /** All messages of this attempt, kept to write them again after an outage. */
  #messages: TokenMessage[]
  #tokens: number
  #live = true
  /** Something was sent that the server may not have. */
  #unsettled = false
  #closed = false
  /** The last message in the log that was looked at. */
  #seen: number
  #repaired = Promise.resolve()
  readonly #unwatch: () => void

  private constructor(
    link: NatsLink,
    jsm: JetStreamManager,
    subject: string,
    first: TokenMessage,
    prefix: Prefix | undefined,
    seen: number,
  ) {
    this.#link = link
    this.#jsm = jsm
    this.#subject = subject
    this.#messages = [first]
    this.prefix = prefix
    this.text = prefix?.text ?? ''
    this.#tokens = prefix?.tokens ?? 0
    this.attempt = first.attempt
    this.#seen = seen
    this.#unwatch = link.watch((nc) => {
      this.#live = false
      if (nc !== undefined) this.#repaired = this.#repair()
    })
  }

  /** Reads what stands and announces this attempt; `closed` where there is nothing left to do. */
  static async open(link: NatsLink, options: TokenLogOptions): Promise<TokenLog | 'closed'> {
    for (let isFirst = true; ; isFirst = false) {
      try {
        const log = await TokenLog.#tryOpen(link, options)
        if (log !== 'overtaken') return log
      } catch (error) {
        // NATS is unavailable, or has lost the stream and the relay has not made it anew: no fault of the job's.
        if (!(error instanceof NatsError)) throw error
        if (isFirst) options.onWait(error)
        await sleep(500, undefined, { signal: options.signal })
      }
    }
  }

  static async #tryOpen(
    link: NatsLink,
    options: TokenLogOptions,
  ): Promise<TokenLog | 'closed' | 'overtaken'> {
    const jsm = await link.manager()
    const subject = tokensSubject(options.tenant, options.job)
    // Before a first attempt nobody has written, mostly: that is found out by writing, and read only where it is not so.
    if (options.attempt === 1) {
      const { first, prefix } = announcement(options, readProgress([]))
      if (await announce(link, subject, first, 0)) return new TokenLog(link, jsm, subject, first, prefix, 0)
    }
    const last = await readLast(jsm, subject)
    if (last?.closing) return 'closed'
    const stored = last === undefined ? NOTHING : await readMessages(link, subject, { to: last.seq })
    if (stored.closing !== undefined) return 'closed'
    const { first, prefix } = announcement(options, readProgress(stored.messages))
    if (!(await announce(link, subject, first, last?.seq ?? 0))) return 'overtaken'
    return new TokenLog(link, jsm, subject, first, prefix, last?.seq ?? 0)
  }

  append(text: string, tokens: number): void {
    this.text += text
    this.#tokens = tokens
    this.#add({ kind: 'chunk', index: this.#nextIndex(), attempt: this.attempt, text, tokens })
  }

  /** All text so far is void, and the answer begins anew. */
  restart(): void {
    this.text = ''
    this.#tokens = 0
    this.prefix = undefined
    this.#add({ kind: 'restart', index: this.#nextIndex(), attempt: this.attempt })
  }

  #add(message: TokenMessage): void {
    this.#messages.push(message)
    if (this.#live) this.#write(message)
  }

  /** Looks whether this attempt is still the one that writes: at all that came since, for our own text may follow the end. */
  async check(): Promise<LogState> {
    const last = await readLast(this.#jsm, this.#subject)
    const state = this.#stateAt(last)
    if (state !== 'open' || last === undefined || last.seq <= this.#seen) return state
    const { messages, closing } = await readMessages(this.#link, this.#subject, {
      from: this.#seen + 1,
      to: last.seq,
    })
    this.#seen = last.seq
    if (closing !== undefined) return 'closed'
    return messages.some(({ attempt }) => attempt > this.attempt) ? 'superseded' : 'open'
  }

  /** Waits until the server has everything; after `seconds` it gives up, since the result carries the text too. */
  async settle(seconds: number): Promise<void> {
    if (this.#live && !this.#unsettled) return
    const deadline = AbortSignal.timeout(seconds * 1000)
    const late = aborted(deadline)
    while (!deadline.aborted) {
      await Promise.race([this.#repaired, late])
      try {
        await Promise.race([this.#link.nc?.flush(), late])
        if (this.#live) return
      } catch {
        // The connection was lost: the repair after the reconnect writes what is missing.
      }
      if (!this.#live) await sleep(50)
    }
  }

  /** Stops watching the connection. */
  close(): void {
    this.#closed = true
    this.#unwatch()
  }

  #write(message: TokenMessage): void {
    this.#unsettled = true
    this.#link.nc?.publish(this.#subject, JSON.stringify(message))
  }

  #nextIndex(): number {
    return (this.#messages.at(-1)?.index ?? -1) + 1
  }

  #stateAt(last: Stored | undefined): LogState {
    if (last === undefined) return 'open'
    if (last.closing) return 'closed'
    return last.message.attempt > this.attempt ? 'superseded' : 'open'
  }

  async #repair(): Promise<void> {
    while (this.#link.nc !== undefined && !this.#closed) {
      try {
        const last = await readLast(this.#jsm, this.#subject)
        if (this.#stateAt(last) !== 'open') return
        this.#writeMissing(last)
        this.#live = true
        return
      } catch {
        // The stream is not back yet: it is the relay that makes it anew.
        await sleep(250)
      }
    }
  }

  #writeMissing(last: Stored | undefined): void {
    const stored = last === undefined || last.closing ? undefined : last.message.index
    if (stored === undefined) {
      this.#seen = 0
      const index = this.#nextIndex()
      const { attempt, text } = this
      this.#messages = [{ kind: 'restart', index, attempt }]
      if (text !== '') {
        this.#messages.push({ kind: 'chunk', index: index + 1, attempt, text, tokens: this.#tokens })
      }
    }
    for (const message of this.#messages) if (message.index > (stored ?? -1)) this.#write(message)
  }
}

/** How this attempt begins: it goes on where the text is whole, and says so where it is not. */
function announcement(
  { job, attempt }: Pick<TokenLogOptions, 'job' | 'attempt'>,
  progress: Progress,
): { first: TokenMessage; prefix?: Prefix } {
  const index = progress.nextIndex === 0 ? firstIndexOf(job) : progress.nextIndex
  const head = { index, attempt: Math.max(attempt, progress.attempt + 1) }
  if (!progress.whole) return { first: { kind: 'restart', ...head } }
  const first: TokenMessage = { kind: 'started', ...head }
  if (progress.text === '') return { first }
  return { first, prefix: { text: progress.text, tokens: progress.tokens } }
}

/** A job that is younger, in milliseconds, has had no log that NATS can have lost with its worker. */
const NEW_MS = 2000

/**
 * Where an empty log begins. Followers may have read another one of the job, which NATS has lost: by the age of the job in
 * milliseconds, its indices are above all of those, and followers see that the text begins anew.
 */
function firstIndexOf(job: string): number {
  const age = ageOf(job) ?? 0
  return age < NEW_MS ? 0 : age
}

/** JetStream's code for "somebody else wrote since you looked". */
const WRONG_LAST_SEQUENCE = 10071

/** Stores the first message of an attempt, unless somebody wrote after `lastSequence`. */
async function announce(link: NatsLink, subject: string, first: TokenMessage, lastSubjectSequence: number) {
  try {
    const expect = { lastSubjectSequence }
    await link.jetstream().publish(subject, JSON.stringify(first), { expect })
    return true
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === WRONG_LAST_SEQUENCE) return false
    throw error
  }
}

async function readLast(jsm: JetStreamManager, subject: string): Promise<Stored | undefined> {
  try {
    // The leader is asked, not a replica: a cancellation must not be overlooked.
    return readStored(await jsm.streams.getMessage(STREAM, { last_by_subj: subject }))
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === NO_MESSAGE) return undefined
    throw error
  }
}

/** JetStream's code for "no message found"; a missing stream has another. */
const NO_MESSAGE = 10037

function readStored(stored: StoredMsg): Stored {
  if (isEventMessage(stored)) return { seq: stored.seq, closing: true }
  return { seq: stored.seq, closing: false, message: TokenMessage.parse(stored.json()) }
}

/** Messages of a log, oldest first, and the type of the event that closed it. */
interface Stretch {
  messages: TokenMessage[]
  closing?: string
}

const NOTHING: Stretch = { messages: [] }

/** The messages from one sequence of the stream to another, up to the end of the job: what comes after that is void. */
async function readMessages(
  link: NatsLink,
  subject: string,
  { from = 1, to }: { from?: number; to: number },
): Promise<Stretch> {
  const consumer = await link
    .jetstream()
    .consumers.get(STREAM, { filterSubjects: subject, opt_start_seq: from })
  const messages: TokenMessage[] = []
  let closing: string | undefined
  const fetched = await consumer.fetch({ max_messages: 100_000, expires: 5000 })
  for await (const message of fetched) {
    if (isEventMessage(message)) closing = fromNats(message).type
    else messages.push(TokenMessage.parse(message.json()))
    if (closing !== undefined || message.seq >= to || message.info.pending === 0) break
  }
  await fetched.close()
  await consumer.delete()
  return closing === undefined ? { messages } : { messages, closing }
}

/**
 * What had been generated of a job when it was cancelled, by its log, so that it is the same whoever reads it. The prompt
 * counts, by estimate, where it has been read: where an answer has begun. Undefined where the job has ended in another way.
 */
export async function readCancelled(link: NatsLink, job: JobMessage): Promise<Cancelled | undefined> {
  const subject = tokensSubject(job.tenant, job.job)
  const last = await readLast(await link.manager(), subject)
  const { messages, closing } =
    last === undefined ? NOTHING : await readMessages(link, subject, { to: last.seq })
  if (closing !== undefined && closing !== CANCELLED) return undefined
  const { text, tokens: completion } = readProgress(messages)
  if (completion === 0 || 'texts' in job.request) return { tokens: { prompt: 0, completion: 0 }, text: '' }
  const prompt = estimateTokens(job.request.messages.map(({ content }) => content))
  return { tokens: { prompt, completion, estimated: true }, text }
}

export interface Cancelled {
  tokens: TokenUsage
  /** As far as the answer had come. */
  text: string
}

const CANCELLED = 'io.kgents.job.cancelled'

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

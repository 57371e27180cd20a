/**
 * The one connection to Redis that all requests share, pipelined in the order in which they come.
 *
 * Promises: while Redis is unavailable every command fails at once, instead of waiting in a queue; when it
 * is back it is found again within a second.
 */
import { once } from 'node:events'
import { Command as LibraryCommand, Redis } from 'ioredis'
import type { Log } from '../../shared/telemetry/log.ts'
import type { Command } from './commands.ts'

/** What Redis answers: bytes for strings, null for nothing, `Error` for a refused command. */
export type Reply = Buffer | number | null | Error | Reply[]

/** No answer can be had now: Redis is unavailable, or does not answer. */
export class RedisUnavailable extends Error {
  override readonly name = 'RedisUnavailable'
}

export interface RedisLink {
  /** Settles once it is known whether Redis is there. */
  readonly tried: Promise<unknown>
  readonly connected: boolean
  /** Sends the commands together and returns their replies in order; throws `RedisUnavailable` only. */
  send(commands: readonly Command[]): Promise<Reply[]>
  /** As `send`, but all or none of them happen; an `Error` when Redis took none. */
  sendAtomically(commands: readonly Command[]): Promise<Reply[] | Error>
  close(): void
}

const SILENCE_MS = 2000
const RETRY_MS = 500

/** The library would make an object of this reply; callers of the REST protocol expect what Redis sent. */
LibraryCommand.setReplyTransformer('hgetall', (reply) => reply)

export function openRedisLink(url: string, log: Log): RedisLink {
  const redis = new Redis(url, {
    protocol: 2,
    disableClientInfo: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 25, RETRY_MS),
    connectTimeout: SILENCE_MS,
    socketTimeout: SILENCE_MS,
  })
  logChanges(redis, log)
  const send = async (commands: readonly Command[]) =>
    await Promise.all(commands.map(([name, ...args]) => settle(redis.callBuffer(name, ...args))))
  return {
    tried: once(redis, 'ready').catch(() => undefined), // an error ends the wait as well
    get connected() {
      return redis.status === 'ready'
    },
    send,
    async sendAtomically(commands) {
      const replies = await send([['MULTI'], ...commands, ['EXEC']])
      const done = replies.at(-1)
      if (Array.isArray(done)) return done
      const refused = replies.find((reply) => reply instanceof Error)
      return refused ?? new Error('EXEC was refused')
    },
    close: () => redis.disconnect(),
  }
}

/** A refusal by Redis is a reply like others; anything else means that it is unavailable. */
async function settle(answer: Promise<unknown>): Promise<Reply> {
  try {
    return (await answer) as Reply // reason: the library decodes replies into just these
  } catch (error) {
    if (isRefusal(error)) return error
    throw new RedisUnavailable('Redis is unavailable', { cause: error })
  }
}

/** Errors that Redis sent carry the command that they answer; those of the library do not. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && 'command' in error
}

function logChanges(redis: Redis, log: Log): void {
  let reason: string | undefined
  redis.on('ready', () => {
    if (reason !== undefined) log.info('Redis is back')
    reason = undefined
  })
  redis.on('error', (error: Error) => {
    if (reason !== error.message) log.warn({ reason: error.message }, 'Redis is unavailable')
    reason = error.message
  })
}

/** What a plugin of the local gateway is. Each module in `plugins/` does what Kong documents of its namesake. */
import type { IncomingMessage } from 'node:http'
import type { LRUCache } from 'lru-cache'
import type { Failure } from '../../shared/failures.ts'
import type { KongConsumer } from '../kong/types.ts'

/** One request on its way through. Header names are in lower case. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly method: string
  readonly client: string
  /** What the request is addressed to, perhaps with a port. */
  readonly host: string
  /** The caller's trace, or a new one. */
  readonly traceparent: string
  /** Whether the trace is the caller's, and so is its `tracestate`. */
  readonly keepsTraceState: boolean
  /** Headers that replace the client's on the way to the function. */
  readonly upstreamHeaders: Record<string, string>
  /** Headers added to the answer, whoever gives it. */
  readonly answerHeaders: Record<string, string>
  /** The most that may be read of the body; a body whose length was announced has been checked against it. */
  maxBodyBytes: number
}

/** An answer of the gateway itself: a failure, or headers alone. */
export type Answer = { failure: Failure } | { status: number; headers: Readonly<Record<string, string>> }

export interface Plugin {
  /** Runs before the request goes on; an answer ends it here. */
  access?: (exchange: Exchange) => Answer | undefined
  /** Whether a header of the client stays behind. */
  strips?: (name: string) => boolean
}

/** What a plugin may know besides its own configuration. */
export interface PluginContext {
  consumers: readonly KongConsumer[]
  /** Tokens whose signature was found to fit, with the moment they expire. */
  checkedTokens: LRUCache<string, number>
  /** Counts a request of an address; returns how many it sent in this second. */
  countRequest: (client: string) => number
}

export type CreatePlugin = (config: Record<string, unknown>, context: PluginContext) => Plugin

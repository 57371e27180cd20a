/** Puts the Broker together: its journal, its dead letters, and what carries events to functions. */
import { join } from 'node:path'
import { Agent } from 'undici'
import type { Log } from '../../../shared/telemetry/log.ts'
import type { Broker, Trigger } from '../../objects.ts'
import type { Handler } from '../serving/activator.ts'
import { createBroker, type JournalEntry } from './broker.ts'
import { createBrokerIngress } from './broker-ingress.ts'
import { openDeadLetters } from './dead-letters.ts'
import { createCourier } from './delivery.ts'
import { openJournal } from './journal.ts'

export interface EventingOptions {
  broker: Broker
  triggers: readonly Trigger[]
  stateFolder: string
  /** `host:port` at which cluster names are answered, once that is known. */
  ingress: () => string
  timeScale: number
  log: Log
}

export interface Eventing {
  /** Path of the Broker at its ingress. */
  readonly path: string
  readonly ingress: Handler
  readonly unfinished: number
  /** Goes on with what an earlier process left. */
  resume(): void
  /** Ends attempts that are under way after `graceSeconds` at most; what is not delivered stays in the journal. */
  close(graceSeconds: number): Promise<void>
}

/** @throws TypeError where a Trigger needs what the stand-in cannot do */
export function openEventing({
  broker,
  triggers,
  stateFolder,
  ingress,
  timeScale,
  log,
}: EventingOptions): Eventing {
  const stop = new AbortController()
  const cut = new AbortController()
  // Functions and their Service limit how long an attempt takes.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 })
  const courier = createCourier({ ingress, dispatcher, timeScale, stop: stop.signal, cut: cut.signal })
  const journal = openJournal<JournalEntry>(join(stateFolder, 'broker.jsonl'))
  const deadLetters = openDeadLetters(join(stateFolder, 'dead-letters.jsonl'))
  const local = createBroker({ broker, triggers, courier, journal, deadLetters, log })
  const path = `/${broker.metadata.namespace}/${broker.metadata.name}`
  return {
    path,
    ingress: createBrokerIngress(local, path),
    get unfinished() {
      return local.unfinished
    },
    resume: () => local.resume(),
    async close(graceSeconds) {
      stop.abort()
      const patience = setTimeout(() => cut.abort(), graceSeconds * 1000)
      await local.settle()
      clearTimeout(patience)
      await dispatcher.close()
      journal.close()
      deadLetters.close()
    },
  }
}

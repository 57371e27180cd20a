/** Whose turn it is among several model servers: in their order, but last for those that have just failed. */
import { failureOfAll, ServerFailure } from './openai-failure.ts'

interface Resting {
  until: number
  /** Whether the server has asked for it: then it is left in peace, and else it is asked after the others. */
  asked: boolean
}

const UNNAMED = 'the model server'

export class ServerTurns<S extends { name?: string }> {
  readonly #servers: readonly S[]
  readonly #resting = new Map<S, Resting>()
  readonly #onFailure: ((server: string, failure: Error) => void) | undefined

  constructor(servers: readonly S[], onFailure?: (server: string, failure: Error) => void) {
    this.#servers = servers
    this.#onFailure = onFailure
  }

  /**
   * Uses one server after the other until one comes to its end; what those before it gave stands.
   *
   * @throws EngineFailure where none does; what `signal` was aborted with
   */
  async *take<T>(signal: AbortSignal, use: (server: S) => AsyncGenerator<T>): AsyncGenerator<T> {
    const failures: { server: string; failure: ServerFailure }[] = []
    for (const server of this.#inTurn()) {
      try {
        return yield* use(server)
      } catch (error) {
        signal.throwIfAborted()
        const failure =
          error instanceof ServerFailure ? error : new ServerFailure('unreachable', { cause: error })
        const { name = UNNAMED } = server
        failures.push({ server: name, failure })
        this.#rest(server, failure)
        this.#onFailure?.(name, failure)
      }
    }
    throw failureOfAll(failures.length > 0 ? failures : this.#allResting())
  }

  #rest(server: S, { restSeconds, retryAfterSeconds }: ServerFailure): void {
    if (restSeconds === 0) return
    const until = performance.now() + restSeconds * 1000
    this.#resting.set(server, { until, asked: retryAfterSeconds !== undefined })
  }

  #inTurn(): S[] {
    const restOf = (server: S) => Math.max(0, (this.#resting.get(server)?.until ?? 0) - performance.now())
    return this.#servers
      .filter((server) => restOf(server) === 0 || this.#resting.get(server)?.asked !== true)
      .toSorted((a, b) => restOf(a) - restOf(b))
  }

  #allResting(): { server: string; failure: ServerFailure }[] {
    return this.#servers.map((server) => {
      const { until = 0 } = this.#resting.get(server) ?? {}
      const retryAfterSeconds = Math.max(1, Math.ceil((until - performance.now()) / 1000))
      return { server: server.name ?? UNNAMED, failure: new ServerFailure('busy', { retryAfterSeconds }) }
    })
  }
}

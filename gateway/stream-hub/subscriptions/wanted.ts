/** Which events one subscription receives; checked for every event, since neither filter nor rights stay as they were. */
import { LRUCache } from 'lru-cache'
import { patternSubjects, withoutOverlap } from '../../../shared/nats/subjects.ts'
import { matchesPattern, parsePattern } from '../../../shared/agentese/pattern.ts'
import { mayReceive, type Visibility } from '../../../shared/contract/visibility.ts'
import type { SubscriptionTerms } from '../../../shared/events/subscription.ts'
import type { SubscriberEvent } from './subscriber-event.ts'

/** Paths whose answer is remembered: most events are of few paths. */
const REMEMBERED_PATHS = 1_000

export class Wanted {
  /** Subjects that cover all that can be wanted. */
  readonly subjects: readonly string[]
  readonly #visibility: Visibility
  readonly #fits: (path: string, aspect: string) => boolean
  readonly #kinds: ReadonlySet<string>
  readonly #known = new LRUCache<string, boolean>({ max: REMEMBERED_PATHS })
  readonly #user: string
  #archetype: string

  constructor(terms: SubscriptionTerms, visibility: Visibility) {
    const patterns = terms.patterns.map(parsePattern)
    const { aspects } = terms
    this.subjects = withoutOverlap(patterns.flatMap((pattern) => patternSubjects(terms.tenant, pattern)))
    this.#visibility = visibility
    this.#kinds = new Set(terms.types)
    this.#archetype = terms.archetype
    this.#user = terms.user
    this.#fits = (path, aspect) =>
      (aspects === undefined || aspects.includes(aspect)) &&
      patterns.some((pattern) => matchesPattern(pattern, path))
  }

  has({ path, aspect, kind, event }: SubscriberEvent): boolean {
    if (!this.#kinds.has(kind)) return false
    if (!mayReceive(this.#user, path, event.data)) return false
    const known = this.#known.get(path)
    if (known !== undefined) return known
    const answer = this.#fits(path, aspect) && this.#visibility.sees(this.#archetype, path)
    this.#known.set(path, answer)
    return answer
  }

  /** From now on the caller looks as `archetype`. */
  observeAs(archetype: string): void {
    if (archetype === this.#archetype) return
    this.#archetype = archetype
    this.#known.clear()
  }
}

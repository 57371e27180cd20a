/**
 * One thing, seen by each archetype. The same archetype and the same state give the same payload, and all of its content
 * comes from the state; each renderer declares which of the state's members it reads.
 */
import type { Archetype } from '../observer.ts'
import type { ArchetypePayload, PayloadOf } from './payloads.ts'
import {
  factsOf,
  numberOf,
  numbersIn,
  shareOf,
  textOf,
  textsOf,
  typesOf,
  type Facts,
  type ManifestSource,
} from './source.ts'

type View = ArchetypePayload['type']

/** The view of each archetype; one that is not in here gets the basic view. */
const VIEWS: Partial<Record<Archetype, View>> = {
  architect: 'blueprint',
  developer: 'developer',
  scientist: 'scientific',
  admin: 'admin',
  poet: 'poetic',
  philosopher: 'philosophical',
  economist: 'economic',
}

/** Views that belong to one context; elsewhere the archetype sees the basic one. */
const ONLY_IN: Partial<Record<View, string>> = { philosophical: 'concept' }

const RENDERERS: { [V in View]: (source: ManifestSource) => PayloadOf<V> } = {
  /** state.dimensions, .materials, .load_bearing, .stress_points, .integrity */
  blueprint: ({ state }) => ({
    type: 'blueprint',
    dimensions: { ...factsOf(state['dimensions']) },
    materials: textsOf(state['materials']),
    structural_analysis: {
      load_bearing: textsOf(state['load_bearing']),
      stress_points: textsOf(state['stress_points']),
      integrity: shareOf(state['integrity']),
    },
  }),

  /** state.metaphors, .mood, and the words of all other members */
  poetic: (source) => ({
    type: 'poetic',
    description: [openingOf(source), ...wordsOf(source.state).map(toSentence)].join(' '),
    metaphors: metaphorsOf(source),
    mood: textOf(source.state['mood']) ?? 'contemplative',
  }),

  /** state.market_value or .price, .comparable_sales, .appreciation_forecast */
  economic: ({ state }) => ({
    type: 'economic',
    market_value: numberOf(state['market_value']) ?? numberOf(state['price']),
    comparable_sales: listOf(state['comparable_sales']),
    appreciation_forecast: { ...factsOf(state['appreciation_forecast']) },
  }),

  /** every number in the state; state.observations, .hypotheses, .confidence */
  scientific: ({ handle, state }) => ({
    type: 'scientific',
    entity: handle,
    measurements: numbersIn(state),
    observations: textsOf(state['observations']),
    hypotheses: textsOf(state['hypotheses']),
    confidence: shareOf(state['confidence']) ?? 0.5,
  }),

  /** state.language, .dependencies, .build_status, .test_coverage, .issues, and the type of each member */
  developer: ({ handle, state }) => ({
    type: 'developer',
    entity: handle,
    language: textOf(state['language']),
    dependencies: textsOf(state['dependencies']),
    structure: typesOf(state),
    build_status: textOf(state['build_status']) ?? 'unknown',
    test_coverage: numberOf(state['test_coverage']),
    issues: textsOf(state['issues']),
  }),

  /** state.status, .health, .metrics, .config, .alerts */
  admin: ({ handle, state, related, changes, updated, status }) => ({
    type: 'admin',
    entity: handle,
    status: textOf(state['status']) ?? status ?? 'unknown',
    health: shareOf(state['health']) ?? 1,
    metrics: { ...numbersIn(state['metrics']), changes, related: related.length },
    config: { ...factsOf(state['config']) },
    alerts: textsOf(state['alerts']),
    last_updated: updated,
  }),

  /** state.essence, .dialectic */
  philosophical: ({ handle, description, state, related }) => {
    const dialectic = factsOf(state['dialectic'])
    return {
      type: 'philosophical',
      concept: handle,
      definition: description,
      essence: textOf(state['essence']),
      dialectic: {
        thesis: textOf(dialectic['thesis']),
        antithesis: textOf(dialectic['antithesis']),
        synthesis: textOf(dialectic['synthesis']),
      },
      related_concepts: [...related],
    }
  },

  /** the words of all members */
  basic: (source) => ({
    type: 'basic',
    summary: `${spaced(source.name)}: ${spaced(source.kind)}`,
    content: [openingOf(source), ...wordsOf(source.state).map(toSentence)].join(' '),
    metadata: { ...source.metadata },
  }),
}

/** What `archetype` sees of `source`. */
export function renderManifest(source: ManifestSource, archetype: string): ArchetypePayload {
  const view = VIEWS[archetype as Archetype] ?? 'basic'
  const only = ONLY_IN[view]
  const isAtHome = only === undefined || source.handle.startsWith(`${only}.`)
  return RENDERERS[isAtHome ? view : 'basic'](source)
}

/** Its owner's description, else its type and name. */
function openingOf({ name, kind, description }: ManifestSource): string {
  const text = description.trim()
  if (text !== '') return /[.!?…]$/.test(text) ? text : `${text}.`
  return `This is ${spaced(name)}, ${spaced(kind)}.`
}

/** Members that a poet puts elsewhere. */
const NOT_WORDS = new Set(['metaphors', 'mood'])
const MAX_WORDS = 12

/** Members of a state that are words, or lists of them. */
function wordsOf(state: Facts): [key: string, words: string[]][] {
  return Object.entries(state)
    .filter(([key]) => !NOT_WORDS.has(key))
    .map(([key, value]): [string, string[]] => [key, textsOf(value)])
    .filter(([, words]) => words.length > 0)
    .slice(0, MAX_WORDS)
}

function toSentence([key, words]: [key: string, words: string[]]): string {
  return `Its ${spaced(key)}: ${words.join(', ')}.`
}

/** Its own, else its first words taken for the whole. */
function metaphorsOf({ name, state }: ManifestSource): string[] {
  const own = textsOf(state['metaphors'])
  if (own.length > 0) return own
  return wordsOf(state)
    .flatMap(([, words]) => words)
    .slice(0, 3)
    .map((word) => `${spaced(name)} is ${word}`)
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? [...(value as unknown[])] : []
}

function spaced(name: string): string {
  return name.replaceAll('_', ' ')
}

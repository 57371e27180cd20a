/**
 * What a manifest shows, one shape for each view. All carry `type`; `describe.ts` writes each of them as text.
 * What nobody has stated is null or empty: a manifest shows what is known, and invents nothing.
 */
import { z } from 'zod'

const Facts = z.record(z.string(), z.unknown())
const Texts = z.array(z.string())
const Timestamp = z.iso.datetime().nullable()

const Blueprint = z.strictObject({
  type: z.literal('blueprint'),
  dimensions: Facts,
  materials: Texts,
  structural_analysis: z.strictObject({
    load_bearing: Texts,
    stress_points: Texts,
    /** 0 to 1. */
    integrity: z.number().min(0).max(1).nullable(),
  }),
})

const Poetic = z.strictObject({
  type: z.literal('poetic'),
  description: z.string(),
  metaphors: Texts,
  mood: z.string(),
})

const Economic = z.strictObject({
  type: z.literal('economic'),
  market_value: z.number().nullable(),
  comparable_sales: z.array(z.unknown()),
  appreciation_forecast: Facts,
})

const Scientific = z.strictObject({
  type: z.literal('scientific'),
  entity: z.string(),
  measurements: z.record(z.string(), z.number()),
  observations: Texts,
  hypotheses: Texts,
  confidence: z.number().min(0).max(1),
})

const Developer = z.strictObject({
  type: z.literal('developer'),
  entity: z.string(),
  language: z.string().nullable(),
  dependencies: Texts,
  structure: z.record(z.string(), z.string()),
  build_status: z.string(),
  test_coverage: z.number().nullable(),
  issues: Texts,
})

const Admin = z.strictObject({
  type: z.literal('admin'),
  entity: z.string(),
  status: z.string(),
  health: z.number().min(0).max(1),
  metrics: z.record(z.string(), z.number()),
  config: Facts,
  alerts: Texts,
  last_updated: Timestamp,
})

const Philosophical = z.strictObject({
  type: z.literal('philosophical'),
  concept: z.string(),
  definition: z.string(),
  essence: z.string().nullable(),
  dialectic: z.strictObject({
    thesis: z.string().nullable(),
    antithesis: z.string().nullable(),
    synthesis: z.string().nullable(),
  }),
  related_concepts: Texts,
})

export const Basic = z.strictObject({
  type: z.literal('basic'),
  summary: z.string(),
  content: z.string(),
  metadata: Facts,
})

export const Memory = z.strictObject({
  type: z.literal('memory'),
  memory_count: z.int().min(0),
  /** Memories that a consolidation has gone through, and those that none has. */
  consolidated: z.int().min(0),
  temporary: z.int().min(0),
  /** Labels, newest first. */
  checkpoints: Texts,
  last_consolidation: Timestamp,
  /** Share of what one person can keep, 0 to 1; null where there is no limit. */
  capacity_used: z.number().min(0).nullable(),
})

const Entropy = z.strictObject({
  type: z.literal('entropy'),
  remaining: z.number(),
  total: z.number(),
  percentage: z.number(),
  history_length: z.int().min(0),
  last_sip: Timestamp,
  gratitude_balance: z.number(),
})

const Temporal = z.strictObject({
  type: z.literal('temporal'),
  trace_count: z.int().min(0),
  scheduled_count: z.int().min(0),
  earliest_trace: Timestamp,
  latest_trace: Timestamp,
  next_scheduled: Timestamp,
  /** How far ahead is looked, such as `30 days`. */
  horizon: z.string().nullable(),
})

/** Every payload that has a text form. */
export const ManifestPayload = z.discriminatedUnion('type', [
  Blueprint,
  Poetic,
  Economic,
  Scientific,
  Developer,
  Admin,
  Philosophical,
  Basic,
  Memory,
  Entropy,
  Temporal,
])
export type ManifestPayload = z.infer<typeof ManifestPayload>

/** The payloads of a thing that has a view for each archetype; `render.ts` makes them. */
export const ArchetypePayload = z
  .discriminatedUnion('type', [
    Blueprint,
    Poetic,
    Economic,
    Scientific,
    Developer,
    Admin,
    Philosophical,
    Basic,
  ])
  // A union declares that it is one of several; that each of them is an object is true of the union, too.
  .meta({ type: 'object' })
export type ArchetypePayload = z.infer<typeof ArchetypePayload>

/** The payload that carries `type`. */
export type PayloadOf<T extends ManifestPayload['type']> = Extract<ManifestPayload, { type: T }>

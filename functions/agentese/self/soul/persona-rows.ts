/** A person's persona as a row: where the character stands for this person, and what occupies the person now. */
import { z } from 'zod'
import type { Person } from '../person.ts'
import { AXES, CONFIDENCE, EIGENVECTORS, type Axis } from './persona.ts'

export const Project = z.strictObject({
  name: z.string().trim().min(1).max(200),
  status: z.string().trim().min(1).max(60).default('active'),
  goals: z.array(z.string().trim().min(1).max(300)).max(10).default([]),
})
export type Project = z.infer<typeof Project>

export interface Persona {
  name: string | null
  roles: string[]
  /** Every axis; the default persona's where this person has set none. */
  vectors: Record<Axis, number>
  confidence: Record<Axis, number>
  current_focus: string | null
  recent_interests: string[]
  active_projects: Project[]
}

interface PersonaRow extends Omit<Persona, 'vectors' | 'confidence'> {
  eigenvectors: Partial<Record<Axis, { value: number; confidence: number }>>
}

/** The caller's persona; never another person's. */
export async function readPersona({ db, identity }: Person): Promise<Persona> {
  const [row] = await db<PersonaRow[]>`
    select name, roles, eigenvectors, current_focus, recent_interests, active_projects from personas
    where user_id = ${identity.user}`
  const { eigenvectors = {}, ...rest } = row ?? {
    name: null,
    roles: [],
    current_focus: null,
    recent_interests: [],
    active_projects: [],
  }
  const byAxis = (of: (axis: Axis) => number) =>
    Object.fromEntries(AXES.map((axis) => [axis, clamp(of(axis))])) as Record<Axis, number> // reason: all axes
  return {
    ...rest,
    vectors: byAxis((axis) => eigenvectors[axis]?.value ?? EIGENVECTORS[axis]),
    confidence: byAxis((axis) => eigenvectors[axis]?.confidence ?? CONFIDENCE[axis]),
  }
}

/** Into 0 to 1; what is no number is neutral. */
export function clamp(value: number): number {
  return Number.isNaN(value) ? 0.5 : Math.min(1, Math.max(0, value))
}

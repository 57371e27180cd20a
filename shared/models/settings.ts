/** What every part reads that has to do with models. */
import { z } from 'zod'
import { json } from '../config.ts'
import { Models } from './model.ts'

export const ModelSettings = z.object({
  MODEL_CATALOGUE: json(Models)
    .optional()
    .describe(
      'Models that callers may name, a JSON list as in `shared/models/model.ts`; the same for functions and workers',
    ),
})

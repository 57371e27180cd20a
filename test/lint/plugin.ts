/** Rules of this repository, for the linter. */
import { explainedCasts } from './explained-casts.ts'
import { floors } from './floors.ts'
import { plainWords } from './plain-words.ts'

export default {
  meta: { name: 'kgents' },
  rules: { floors, 'explained-casts': explainedCasts, 'plain-words': plainWords },
}

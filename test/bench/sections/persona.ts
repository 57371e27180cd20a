/**
 * Whether the character changes what a real model says is so: questions about facts of the prompt, asked with opposite
 * characters. The facts are the same text each time; whether a small model repeats them is what is measured.
 */
import { openLlamaCpp } from '../../../gpu-workers/engines/llama-cpp.ts'
import type { Engine } from '../../../gpu-workers/engines/engine.ts'
import { findDefaultModel } from '../../../knative/local/servers/model.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'
import { promptOf } from '../../../functions/agentese/self/soul/persona-prompt.ts'
import { AXES, EIGENVECTORS, type Axis } from '../../../functions/agentese/self/soul/persona.ts'
import { show, type Bench, type Findings, type Section } from '../section.ts'

/** Facts of a prompt, a question about each, and the word that a right answer has. */
const FACTS: readonly { focus: string; question: string; word: string }[] = [
  { focus: 'moving to Lisbon', question: 'Which city am I moving to?', word: 'lisbon' },
  { focus: 'learning the cello', question: 'Which instrument am I learning?', word: 'cello' },
  { focus: 'writing a novel about a lighthouse', question: 'What is my novel about?', word: 'lighthouse' },
  { focus: 'training for a marathon', question: 'What am I training for?', word: 'marathon' },
  { focus: 'growing tomatoes', question: 'What am I growing?', word: 'tomato' },
  { focus: 'hiring a database engineer', question: 'Whom am I hiring?', word: 'engineer' },
  { focus: 'repairing the roof', question: 'What am I repairing?', word: 'roof' },
  { focus: 'adopting a greyhound', question: 'Which dog am I adopting?', word: 'greyhound' },
]

const everyAxis = (value: number) =>
  Object.fromEntries(AXES.map((axis) => [axis, value])) as Record<Axis, number> // reason: all axes
const CHARACTERS: Record<string, Readonly<Record<Axis, number>>> = {
  'the default': EIGENVECTORS,
  'every axis at 0': everyAxis(0),
  'every axis at 1': everyAxis(1),
}
const MAX_TOKENS = 40

export const persona: Section = { name: 'persona', title: 'Persona', run }

async function run({ say }: Bench): Promise<Findings> {
  const found = await findDefaultModel({ cache: cacheFolder(process.env), env: process.env })
  if (!('path' in found)) return toFindings([], found.reason)
  const engine = await openLlamaCpp({ modelPath: found.path })
  try {
    const rows: Judged[] = []
    for (const [character, vectors] of Object.entries(CHARACTERS)) {
      say(`asking ${character}`)
      rows.push(await judge(character, vectors, engine))
    }
    return toFindings(rows, engine.model)
  } finally {
    await engine.close()
  }
}

interface Judged {
  character: string
  answers: string[]
  right: boolean[]
}

async function judge(
  character: string,
  vectors: Readonly<Record<Axis, number>>,
  engine: Engine,
): Promise<Judged> {
  const answers: string[] = []
  for (const { focus, question } of FACTS) {
    const at = new Date('2026-11-28T12:00:00Z')
    const content = promptOf({ vectors, current_focus: focus }, [], { mode: 'advise', at })
    const messages = [
      { role: 'system' as const, content },
      { role: 'user' as const, content: question },
    ]
    const request = { messages, maxTokens: MAX_TOKENS, temperature: 0 }
    let text = ''
    for await (const step of engine.generate(request, { signal: new AbortController().signal }))
      if (step.kind === 'chunk') text += step.text
    answers.push(text)
  }
  const right = answers.map((text, at) => text.toLowerCase().includes(FACTS[at]?.word ?? ''))
  return { character, answers, right }
}

function toFindings(rows: readonly Judged[], about: string): Findings {
  const [first, ...others] = rows
  const same = (judged: Judged) => judged.right.filter((right, at) => right === first?.right[at]).length
  const agree = others.map((judged) => `${judged.character} ${same(judged)} of ${FACTS.length}`)
  return {
    method:
      rows.length === 0
        ? `No model could be had: ${about}.`
        : `${FACTS.length} questions, each about a fact of the prompt, with three characters, at temperature 0; model ${about}. ` +
          `An answer is right where it names the fact. Right or wrong as with the default character: ${agree.join(', ')}.`,
    table: {
      columns: [
        'character',
        'right answers',
        'answers with other words than the default',
        'words of an answer',
      ],
      rows: rows.map(({ character, answers, right }) => [
        character,
        `${right.filter(Boolean).length} of ${FACTS.length}`,
        answers.filter((text, at) => text !== first?.answers[at]).length,
        show(answers.join(' ').split(/\s+/).length / FACTS.length),
      ]),
    },
  }
}

/** Shapes that several aspects have in common. */

export const DRAWING = { agent: 'gambler', input: 'Draw a lot', max_steps: 4 }

/** An agent with a tool, and a run of it: examples begin with it. */
export const TOOL_RUN = [
  {
    path: 'world.agent.define',
    input: {
      name: 'Gambler',
      theme: 'chance',
      instructions: 'You draw lots, and say what came out.',
      tools: ['void.entropy.sip'],
    },
  },
  { path: 'world.agent.invoke', input: DRAWING },
]

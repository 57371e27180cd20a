/** The event that wakes a function for which something is due; its attribute `function` names whom it is for. */
export const TICK_TYPE = 'io.kgents.clock.tick'

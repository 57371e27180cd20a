/** A problem with what was typed or given to a command: its message is for the person who typed it, and says all. */
export class UsageError extends Error {}

/** The guest's command. The targets come on its standard input. */
export const command: ReadonlyArray<string> = ["sh", "-c", "exit 65", "bottle-proof"]

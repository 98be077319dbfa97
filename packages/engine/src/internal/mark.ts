/**
 * A link in a bottle's own directory that leads to its ledger. Two state directories may share one run directory
 * (`XDG_RUNTIME_DIR`), and whoever finds a directory without a ledger has to know whose it is.
 */
export const markOf = (directory: string): string => `${directory}/ledger`

/** One positional of a subcommand, as smolvm declares it. */
export interface Positional {
  readonly name: string
  readonly required: boolean
  readonly variadic: boolean
  readonly trailing: boolean
  readonly requiresDoubleDash: boolean
}

/** One option or flag of a subcommand, as smolvm declares it. */
export interface Option {
  readonly long: string
  readonly type: string
  readonly short?: string
  readonly value?: string
  readonly default?: string
  readonly hidden?: boolean
  readonly required?: boolean
  readonly repeatable?: boolean
  readonly shortAliases?: ReadonlyArray<string>
  readonly conflictsWith?: ReadonlyArray<string>
  readonly requires?: ReadonlyArray<string>
  readonly requiredUnlessPresentAny?: ReadonlyArray<string>
}

/** One subcommand. */
export interface Definition {
  readonly aliases: ReadonlyArray<string>
  readonly positionals: ReadonlyArray<Positional>
  readonly options: ReadonlyArray<Option>
}

/** The subcommands of one release line. */
export interface Dialect {
  readonly groups: Readonly<Record<string, { readonly aliases: ReadonlyArray<string>; readonly hidden: boolean }>>
  readonly commands: Readonly<Record<string, number>>
  readonly sameGrammarRange: ReadonlyArray<string>
}

/**
 * What one tag changed, as `cmd machine fork` for a subcommand, `machine run --dns` for an option and
 * `machine fork <GOLDEN>` for a positional.
 */
export interface Delta {
  readonly version: string
  readonly added: ReadonlyArray<string>
  readonly removed: ReadonlyArray<string>
  /** What is there before and after, with another type, repetition, conflict or visibility. */
  readonly changed: ReadonlyArray<string>
}

/** Every release line, over one list of distinct subcommand definitions. */
export interface Contract {
  readonly definitions: ReadonlyArray<Definition>
  readonly dialects: Readonly<Record<"0.8.0" | "0.8.2" | "0.9.0" | "1.0.4" | "1.1.0" | "1.5.2" | "1.9.3", Dialect>>
  /** Oldest first, from 0.8.0. */
  readonly deltas: ReadonlyArray<Delta>
}

import { defineProject } from "vitest/config"

const conditions = ["@bottle/source"]

export default defineProject({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: { name: "engine", include: ["test/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 30_000 }
})

// Makes src/gen/api.ts from the API's description; with --check, only says whether it is current.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const source = new URL("../docs/openapi.json", import.meta.url);
const target = new URL("src/gen/api.ts", import.meta.url);
const head = "// Generated from docs/openapi.json by `npm run gen`: do not edit.\n\n";

const made = head + astToString(await openapiTS(source, { alphabetize: true, emptyObjectsUnknown: true, defaultNonNullable: false }));
if (process.argv.includes("--check")) {
  const there = await readFile(target, "utf8").catch(() => "");
  if (there !== made) {
    console.error("web/src/gen/api.ts is not current: run `npm run gen` in web/.");
    process.exit(1);
  }
} else {
  await writeFile(target, made);
}

// Makes the types for openapi-fetch, and the client of @hey-api/openapi-ts, from openapi.json.
import { mkdir, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { createClient } from "@hey-api/openapi-ts";
import openapiTypescript, { astToString } from "openapi-typescript";
import ts from "typescript";

const schema = "openapi.json";
await mkdir("generated", { recursive: true });

// Files to upload are blobs. To openapi-typescript alone, they are texts.
const blob = ts.factory.createTypeReferenceNode("Blob");
const ast = await openapiTypescript(pathToFileURL(schema), {
  transform: (one) => (one.format === "binary" ? blob : undefined),
  defaultNonNullable: false,
});
await writeFile("generated/paths.ts", astToString(ast));

await createClient({
  input: schema,
  output: { path: "generated/heyapi", importFileExtension: ".js" },
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
  logs: { level: "error" },
});

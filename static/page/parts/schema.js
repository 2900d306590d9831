/**
 * What a form needs to know of one property of a kind's JSON Schema (as pydantic writes it). No DOM; used by form.js.
 */

/**
 * @typedef {object} Param
 * @property {string} name
 * @property {"file" | "files" | "choice" | "flag" | "number" | "text" | "either" | "json"} control "either" is a number or a word
 * @property {string} label
 * @property {string} help
 * @property {boolean} required
 * @property {any} initial undefined where the schema has no default
 * @property {any[]} choices of a choice
 * @property {object} schema the property's own, resolved
 */

const SCALARS = new Set(["string", "integer", "number"]);

/** @param {object} schema of an object @returns {Param[]} required ones first, else in the schema's order */
export function paramsOf(schema) {
  const required = new Set(schema.required ?? []);
  const params = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const resolved = resolve(property, schema.$defs ?? {});
    return {
      name,
      control: controlOf(resolved),
      label: labelOf(name, resolved.title),
      help: resolved.description ?? "",
      required: required.has(name),
      initial: resolved.default ?? undefined,
      choices: choicesOf(resolved),
      schema: resolved,
    };
  });
  return params.sort((a, b) => Number(b.required) - Number(a.required));
}

/** Follow a `$ref`, and take the one type of "this or null"; what the property itself says goes before. */
function resolve(schema, definitions) {
  const { $ref, anyOf, allOf, ...own } = schema;
  if ($ref) return { ...resolve(definitions[$ref.split("/").pop()] ?? {}, definitions), ...own };
  const types = allOf?.length === 1 ? allOf : anyOf?.filter(({ type }) => type !== "null");
  return types?.length === 1 ? { ...resolve(types[0], definitions), ...own } : { ...schema, anyOf: types };
}

function controlOf(schema) {
  if (isInput(schema)) return "file";
  if (Object.values(schema.patternProperties ?? {}).some(isInput)) return "files"; // whatever their names
  if (schema.enum || "const" in schema) return "choice";
  if (schema.anyOf?.every(({ type }) => SCALARS.has(type))) return "either";
  return { boolean: "flag", integer: "number", number: "number", string: "text" }[schema.type] ?? "json";
}

const isInput = (schema) => schema?.format === "tidings-input";

function choicesOf(schema) {
  return schema.enum ?? ("const" in schema ? [schema.const] : []);
}

/** "video_bitrate" and pydantic's "Video Bitrate" both read "Video bitrate". */
function labelOf(name, title) {
  const words = (title ?? name).replaceAll("_", " ");
  const generated = words.toLowerCase() === name.replaceAll("_", " ").toLowerCase();
  return generated ? words.charAt(0).toUpperCase() + words.slice(1).toLowerCase() : words;
}

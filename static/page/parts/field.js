/** One field of the form, made from one param. No network: a file field is handed the function that uploads. */

import { element, showText } from "../dom.js";
import { FileControl } from "./file.js";

/** A text that may have more characters gets several lines. */
const LONG = 1000;

/** @typedef {import("./schema.js").Param} Param */
/** @typedef {(file: File, options: object) => Promise<{input: string, size: number}>} Upload */

/**
 * @typedef {object} Field
 * @property {Param} param
 * @property {HTMLElement} element
 * @property {() => any} read the value, perhaps as a promise; undefined where nothing is given
 * @property {(text: string) => void} complain "" takes a complaint back
 * @property {() => void} leave the field goes out of use
 * @property {(file: File) => void} take as if the user had chosen this file; only a file field does anything
 * @property {(value: any) => void} fill with what another job was given
 */

/** @param {Param} param @param {Upload} upload @returns {Field} */
export function field(param, upload) {
  const id = `param-${param.name}`;
  const marks = { id, name: param.name, "aria-describedby": `${id}-help ${id}-complaint` };
  const made = CONTROLS[param.control](param, marks, upload);
  const star = param.required && element("span", { class: "required", "aria-hidden": "true" }, " *");
  const label = element("label", { for: id }, param.label, star);
  const help = element("p", { class: "help", id: `${id}-help`, hidden: !param.help }, param.help);
  const complaint = element("p", { class: "complaint", id: `${id}-complaint`, hidden: true });
  const complain = (text) => {
    showText(complaint, text);
    made.control.setAttribute("aria-invalid", String(Boolean(text)));
  };
  const parts = [label, made.control, made.below, help, complaint];
  const box = element("div", { class: "field", "data-control": param.control }, ...parts);
  box.oninput = () => complain("");
  return {
    param,
    element: box,
    complain,
    read: () => made.read(),
    leave: () => made.leave?.(),
    take: (file) => made.take?.(file),
    fill: (value) => (made.fill ? made.fill(value) : fill(made.control, value)),
  };
}

function fill(control, value) {
  if (control.type === "checkbox") control.checked = String(value) === "true";
  else control.value = typeof value === "object" ? JSON.stringify(value, null, 2) : String(value);
}

/** @type {Record<string, (param: Param, marks: object, upload: Upload) => any>} */
const CONTROLS = {
  text: textControl,
  either: eitherControl,
  number: numberControl,
  flag: flagControl,
  choice: choiceControl,
  json: jsonControl,
  file: (param, marks, upload) => new FileControl(param, marks, upload),
  files: (param, marks, upload) => new FileControl(param, marks, upload),
};

function textControl({ required, initial, schema }, marks) {
  const { minLength, maxLength, pattern } = schema;
  const long = maxLength > LONG;
  const control = element(long ? "textarea" : "input", {
    ...marks, type: long ? null : "text", rows: long && 4, required: required && minLength !== 0, minlength: minLength, maxlength: maxLength, pattern,
    value: initial, placeholder: placeholderOf(required, initial), autocomplete: "off", spellcheck: "false",
  });
  return { control, read: () => (control.value === "" && !required ? undefined : control.value) };
}

function eitherControl(param, marks) {
  const { control, read } = textControl(param, marks);
  return { control, read: () => (/^-?\d+(\.\d+)?$/.test(control.value) ? Number(control.value) : read()) };
}

function numberControl({ required, initial, schema }, marks) {
  const whole = schema.type === "integer";
  const control = element("input", {
    ...marks, type: "number", required, inputmode: whole ? "numeric" : "decimal",
    step: schema.multipleOf ?? (whole ? 1 : "any"),
    min: schema.minimum ?? within(schema.exclusiveMinimum, whole ? 1 : 0),
    max: schema.maximum ?? within(schema.exclusiveMaximum, whole ? -1 : 0),
    value: initial, placeholder: placeholderOf(required, initial),
  });
  return { control, read: () => (control.value === "" ? undefined : control.valueAsNumber) };
}

function flagControl({ initial }, marks) {
  const control = element("input", { ...marks, type: "checkbox", role: "switch", checked: initial === true });
  return { control, read: () => control.checked };
}

function choiceControl({ required, initial, choices }, marks) {
  const option = (value) => element("option", { value: String(value), selected: value === initial }, String(value));
  const options = choices.map(option);
  const none = !required && initial === undefined;
  if (none) options.unshift(element("option", { value: "" }, "–"));
  const control = element("select", { ...marks, required }, ...options);
  return { control, read: () => choices[control.selectedIndex - (none ? 1 : 0)] };
}

function jsonControl({ required, initial }, marks) {
  const control = element("textarea", { ...marks, rows: 3, required, spellcheck: "false", placeholder: "JSON" });
  control.value = initial === undefined ? "" : JSON.stringify(initial, null, 2);
  control.oninput = () => control.setCustomValidity(isJson(control.value) ? "" : "This is not valid JSON.");
  return { control, read: () => (control.value.trim() === "" ? undefined : JSON.parse(control.value)) };
}

/** The nearest whole number inside an exclusive limit; the browser knows only inclusive ones. */
const within = (limit, step) => (limit === undefined ? null : limit + step);

function placeholderOf(required, initial) {
  if (required) return null;
  return initial === undefined ? "optional" : String(initial);
}

function isJson(text) {
  if (text.trim() === "") return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

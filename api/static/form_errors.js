import { byId, form } from "./form_fields.js";

/** Put every error beside the control that it belongs to; the first of these controls. */
export function showErrors(errors, places) {
  for (const old of form.querySelectorAll(".error-text:not(#general-error)")) old.remove();
  for (const bad of form.querySelectorAll("[aria-invalid]")) {
    bad.removeAttribute("aria-invalid");
    bad.removeAttribute("aria-describedby");
  }
  byId("general-error").textContent = "";
  let first = null;
  errors.forEach(({ pointer, message }, i) => {
    const control = places
      .filter(([prefix]) => pointer === prefix || pointer.startsWith(`${prefix}/`))
      .sort((a, b) => b[0].length - a[0].length)[0]?.[1] ?? byId("general-error");
    if (control.id === "general-error") {
      control.textContent += `${control.textContent && "; "}${pointer ? `${pointer}: ` : ""}${message}`;
      return;
    }
    const text = document.createElement("p");
    text.className = "error-text";
    text.id = `error-${i}`;
    text.textContent = message;
    if (control.matches("input, select")) {
      control.setAttribute("aria-invalid", "true");
      control.setAttribute("aria-describedby", text.id);
      (control.closest(".field") ?? control.closest("label")).append(text);
      first ??= control;
      const fold = control.closest("details");
      if (fold) fold.open = true;
    } else {
      control.append(text);
      first ??= control.querySelector("input");
    }
  });
  return first;
}

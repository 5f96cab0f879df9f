// A page opened as a file may not load its own parts: say so, since no module will.
if (location.protocol === "file:") {
  document.addEventListener("DOMContentLoaded", () => {
    const trouble = document.getElementById("trouble");
    trouble.textContent = "This page needs a server. In its folder run: python -m http.server";
    trouble.hidden = false;
    document.getElementById("status").textContent = "";
  });
}

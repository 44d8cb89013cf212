// What the page shows is made by the program; this puts it in its place as it comes.
(() => {
  const source = new EventSource("events");
  const gone = document.getElementById("gone");
  for (const place of ["state", "charts"]) {
    source.addEventListener(place, (event) => {
      document.getElementById(place).innerHTML = event.data;
      gone.hidden = true;
    });
  }
  source.addEventListener("end", () => {
    source.close();
    gone.hidden = false;
  });
  source.addEventListener("error", () => {
    gone.hidden = false;
  });
})();


// The class-activation map, beside what the network sees.
const map = document.createElement("img");
const caption = document.createElement("figcaption");
const figure = document.createElement("figure");
map.className = "photo-seen";
figure.className = "photo-figure photo-map";
figure.hidden = true;
figure.append(caption, map);

function showMap({ map: source, map_title: title, map_alt: alt }) {
  figure.hidden = !source;
  if (!source) return;
  [map.src, map.alt, caption.textContent] = [source, alt, title];
}

const first = { ...props.first, seen: bytes(props.first.seen) };
module().then(({ createPhotoInput }) => {
  createPhotoInput(place, {
    labels: props.labels,
    classes: props.classes,
    samples: bytes(props.samples),
    answer: first,
    async ask({ pixels, side }) {
      const reply = await answer({ pixels: text(pixels), side });
      showMap(reply);
      return reply;
    },
  });
  place.querySelector(".photo-figure").after(figure);
  showMap(first);
});

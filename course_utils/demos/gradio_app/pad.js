
module().then(({ createPad }) => createPad(place, {
  labels: props.labels,
  ask: ({ drawing, center }) => answer({ drawing: text(drawing), center }),
}));

"""The GIF of a rollout: models and truth, as lines in 1-D and images in 2-D."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from PIL import Image

from hyco_jax.scoring.plots import images, rollouts, style, units

MAX_FRAMES = 40
FRAME_MILLISECONDS = 100
LAST_MILLISECONDS = 1500
DPI = 80
NUM_COLORS = 96
NUM_GREYS = 24
NUM_SHADES = 8


def save(arrays, quantity: str, path: Path):
    """Writes one quantity of the trained models beside any reference as a GIF.

    Args:
        arrays: As in `plots`, with at least one method's rollout.
        quantity: Its name.
        path: The file.
    """
    draw = _lines if arrays["observed"].ndim == 1 else _planes
    figure, moving, update, colors = draw(arrays, quantity)
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    # Only what moves is drawn again; whole figures would take twice the time.
    background = canvas.copy_from_bbox(figure.bbox)
    palette = _palette(colors)
    pictures = []
    for i in frame_indices(len(arrays["times"])):
        canvas.restore_region(background)
        update(i)
        for artist in moving:
            figure.draw_artist(artist)
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
        pictures.append(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    durations = [FRAME_MILLISECONDS] * (len(pictures) - 1) + [LAST_MILLISECONDS]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=durations, loop=0
    )


def frame_indices(num_times: int) -> list[int]:
    """At most `MAX_FRAMES` evenly spaced times, the first and the last among them."""
    count = min(num_times, MAX_FRAMES)
    return [int(i) for i in np.linspace(0, num_times - 1, count).round()]


def _palette(colors):
    """The colours of all frames, with greys. One for all, so that none flickers."""
    greys = np.linspace(0, 1, NUM_GREYS)[:, None] * [1, 1, 1]
    picture = Image.new("P", (1, 1))
    table = np.concatenate([colors, greys]) * 255
    picture.putpalette(table.round().astype(np.uint8).tobytes())
    return picture


def _line_colors():
    lines = to_rgba_array([options["color"] for options in style.LINES.values()])
    # Shades towards white, for the antialiased edges.
    fade = np.linspace(0, 0.9, NUM_SHADES)[:, None, None]
    return (fade + (1 - fade) * lines[:, :3]).reshape(-1, 3)


def _magnitudes(arrays, quantity):
    states = rollouts.states(arrays, quantity)
    return {method: style.magnitude(u) for method, u in states.items()}


def _lines(arrays, quantity):
    """A figure of 1-D states, what moves in it, how to show time i, and its colours."""
    fields = _magnitudes(arrays, quantity)
    figure = Figure(figsize=(7.2, 4.3))
    ax = figure.subplots()
    x = arrays["coordinates"][:, 0]
    lines = {
        m: style.plot_line(ax, m, x, u[0], label=style.label(m, u))
        for m, u in fields.items()
    }
    style.shade_observed(ax, arrays)
    ax.set(
        xlabel=units.position(arrays),
        ylabel=rollouts.labels(arrays, quantity)[0],
        xlim=(0, float(arrays["extent"][0])),
        ylim=style.limits(style.comparable(fields), margin=0.2),
    )
    figure.legend(loc="outside lower center", ncols=3)
    clock = ax.set_title("t = 0")

    def update(i):
        for method, line in lines.items():
            line.set_ydata(fields[method][i])
        clock.set_text(f"t = {arrays['times'][i]:.2f}")

    return figure, [*lines.values(), clock], update, _line_colors()


def _planes(arrays, quantity):
    """A figure of 2-D states, what moves in it, how to show time i, and its colours."""
    fields = _magnitudes(arrays, quantity)
    frame, scale = images.plane(arrays), images.field_scale(fields)
    figure = Figure(figsize=(1.8 * len(fields) + 1.0, 1.8 * frame.height + 1.2))
    axes = figure.subplots(1, len(fields), sharey=True, squeeze=False)[0]
    shown, moving = {}, []
    for ax, (method, u) in zip(axes, fields.items(), strict=True):
        shown[method] = images.show(ax, u[0].T, scale, frame)
        ax.set(title=style.label(method, u).replace(" (", "\n("), xlabel=frame.xlabel)
        moving += [shown[method], *images.mark_observed(ax, arrays)]
    axes[0].set_ylabel(frame.ylabel)
    name, _ = rollouts.labels(arrays, quantity)
    images.add_bar(axes, next(iter(shown.values())), scale, frame, name)
    if 0 < arrays["observed"].mean() < 1:
        figure.supxlabel("dashed: boundary of the observed region", fontsize=7.5)
    clock = figure.suptitle("t = 0")

    def update(i):
        for method, image in shown.items():
            image.set_data(fields[method][i].T)
        clock.set_text(f"t = {arrays['times'][i]:.2f}")

    colors = scale.cmap(np.linspace(0, 1, NUM_COLORS))[:, :3]
    return figure, [*moving, clock], update, colors

"""What rows are called, which are solvers and which networks, and their colours."""

LABELS = {
    "hybrid_physical": "hybrid physical",
    "hybrid_synthetic": "hybrid synthetic",
    "adam": "physical alone, Adam",
    "as_hybrid": "physical alone, as in the hybrid",
    "lbfgs": "physical alone, L-BFGS",
    "starts": "physical alone, best of many starts",
    "shooting": "physical alone, multiple shooting",
    "two_stage": "two-stage (network, then PDE)",
    "synthetic_alone": "synthetic alone",
    "distilled": "distilled (PDE, then network)",
    "pinn": "PINN",
    "interpolation": "interpolation",
}
# Rows whose solution is a network's, and those that identify coefficients.
NETWORKS = ("hybrid_synthetic", "synthetic_alone", "distilled", "pinn")
SOLVERS = tuple(
    row for row in LABELS if row == "pinn" or row not in (*NETWORKS, "interpolation")
)
# What images are called, where it isn't the row's own name.
SHORT = {
    "adam": "Adam",
    "as_hybrid": "as in the\nhybrid",
    "lbfgs": "L-BFGS",
    "starts": "best\nstart",
    "pinn": "PINN",
}
COLORS = {
    "hybrid_physical": "#0072B2",
    "hybrid_synthetic": "#D55E00",
    "adam": "#56B4E9",
    "as_hybrid": "#882255",
    "lbfgs": "#1A1A1A",
    "starts": "#6A3D9A",
    "shooting": "#009E73",
    "two_stage": "#CC79A7",
    "synthetic_alone": "#E69F00",
    "distilled": "#8C510A",
    "pinn": "#B8A800",
}


def title(row: str) -> str:
    """The name of a row above an image, a word in each line."""
    return SHORT.get(row, row.replace("_", "\n"))

"""Tables in files."""

import functools
import pathlib
from typing import Any


def read_file(path: pathlib.Path) -> Any:
    """Reads a .csv or .parquet file into a pandas DataFrame.

    The first line of a .csv file has the names of the columns. Nothing is unpickled.

    Raises:
        ValueError: If it is missing, of another kind or not readable.
        ImportError: If pandas is missing or, for Parquet, both pyarrow and fastparquet
            are, which the extra `[data]` leaves out: they are large.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"{path} needs pandas, which is not installed; pip install "
            "'hyco_jax[data]', or give a dict of arrays"
        ) from error
    readers = {
        ".csv": functools.partial(pandas.read_csv, low_memory=False),
        ".parquet": pandas.read_parquet,
    }
    if path.suffix.lower() not in readers:
        raise ValueError(
            f"{path} is no table that is known; give a .csv or .parquet file, or a "
            "pandas DataFrame"
        )
    try:
        # A file that is open is one of this machine, whatever its name looks like.
        with path.open("rb") as file:
            frame = readers[path.suffix.lower()](file)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}; correct the path") from None
    except ImportError as error:
        raise ImportError(
            f"{path} needs pyarrow or fastparquet, and neither is installed; pip "
            "install pyarrow, or give a .csv file"
        ) from error
    # A damaged file makes the engines raise what they like, from KeyError on, and put
    # into it what is in the file, printable or not.
    except Exception as error:
        reason = repr(" ".join(str(error).split()))[:200]
        raise ValueError(
            f"{path} is not a readable table ({reason}); replace it"
        ) from None
    if path.suffix.lower() == ".csv" and not isinstance(frame.index, pandas.RangeIndex):
        raise ValueError(
            f"{path} has rows with more cells than its first line has names; correct it"
        )
    return frame

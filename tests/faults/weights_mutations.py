"""Ways to damage the structure of an HDF5 file of weights, by chance from a random generator."""

import random

import h5py
import numpy as np
from faults.mutations import damage_bytes


def damage_weights(random_state: random.Random, path, secret) -> None:
    """Changes the structure of an HDF5 file of weights in place.

    Args:
        random_state: Where chance comes from.
        path: The file.
        secret: Another file, which the changed one may point to.
    """
    if random_state.random() < 0.4:
        path.write_bytes(damage_bytes(random_state, path.read_bytes()))
        return
    with h5py.File(path, "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append((name, isinstance(item, h5py.Dataset))))
        arrays = [name for name, is_array in names if is_array]
        groups = [name for name, is_array in names if not is_array]
        action = random_state.choice(_STRUCTURE_DAMAGES)
        action(random_state, file, random_state.choice(arrays), random_state.choice(groups), secret)


def _replace(file, name, value=None, **options):
    del file[name]
    file.create_dataset(name, data=value, **options)


def _extra_layer(random_state, file, array, group, secret):
    file.create_dataset(f"{group}/extra/vars/0", data=np.ones((3, 4), "float32"))


def _missing_layer(random_state, file, array, group, secret):
    del file[random_state.choice((array, group))]


def _other_shape(random_state, file, array, group, secret):
    shape = file[array].shape
    other = random_state.choice((shape[::-1], (*shape, 1), shape[:-1], (0,), (7, 7)))
    _replace(file, array, np.zeros(other, "float32"))


def _other_type(random_state, file, array, group, secret):
    values = file[array][()]
    other = random_state.choice(("float64", "int8", "complex64", "S4", "bool", "float16"))
    if random_state.random() < 0.3:
        fields = np.dtype([("a", "f4"), ("b", "i8")])
        _replace(file, array, np.zeros(values.shape, fields))
    else:
        _replace(file, array, values.astype(other))


def _strings(random_state, file, array, group, secret):
    _replace(file, array, ["x" * 1000] * 10)


def _terabytes(random_state, file, array, group, secret):
    shape = random_state.choice(((2**40,), (2**20, 2**21), (1, 2**31)))
    chunks = random_state.choice((None, (1, 2**20)[-len(shape) :]))
    _replace(file, array, shape=shape, dtype="float32", chunks=chunks)


def _bomb(random_state, file, array, group, secret):
    _replace(file, array, np.zeros(2**25, "float32"), chunks=(2**20,), compression="gzip")


def _not_a_number(random_state, file, array, group, secret):
    file[array][...] = random_state.choice((np.nan, np.inf, -np.inf))


def _external_link(random_state, file, array, group, secret):
    name = random_state.choice((array, group))
    del file[name]
    file[name] = h5py.ExternalLink(str(secret), "/")


def _soft_link(random_state, file, array, group, secret):
    name = random_state.choice((array, group))
    del file[name]
    file[name] = h5py.SoftLink(random_state.choice((f"/{name}", "/nowhere", "/", "/../..")))


def _hard_link_loop(random_state, file, array, group, secret):
    file[f"{group}/again"] = file[random_state.choice(("/", group))]


def _outside_values(random_state, file, array, group, secret):
    shape = file[array].shape
    size = 4 * int(np.prod(shape))
    _replace(file, array, shape=shape, dtype="float32", external=[(str(secret), 0, size)])


def _virtual(random_state, file, array, group, secret):
    shape = file[array].shape
    del file[array]
    layout = h5py.VirtualLayout(shape=shape, dtype="float32")
    layout[...] = h5py.VirtualSource(str(secret), "x", shape=shape)
    file.create_virtual_dataset(array, layout)


def _deep(random_state, file, array, group, secret):
    file.create_group("/".join("d" * 1000))


def _many(random_state, file, array, group, secret):
    for number in range(2000):
        file.create_group(f"{group}/g{number}")


def _swapped(random_state, file, array, group, secret):
    """Two arrays, or two groups, change places."""
    others = [name for name in file[array].parent]
    other = f"{file[array].parent.name}/{random_state.choice(others)}"
    if other != f"/{array}":
        file.move(array, "elsewhere")
        file.move(other, array)
        file.move("elsewhere", other)


def _type_alone(random_state, file, array, group, secret):
    del file[array]
    file[array] = np.dtype("float32")


def _empty(random_state, file, array, group, secret):
    _replace(file, array, h5py.Empty("float32"))


def _array_for_group(random_state, file, array, group, secret):
    _replace(file, group, np.ones(3))


_STRUCTURE_DAMAGES = (
    *(_extra_layer, _missing_layer, _other_shape, _other_type, _strings, _terabytes, _bomb),
    *(_not_a_number, _external_link, _soft_link, _hard_link_loop, _outside_values, _virtual),
    *(_deep, _many, _swapped, _type_alone, _empty, _array_for_group, _terabytes, _extra_layer),
)

"""Prints the layers, initializers, … of a Keras that are in none of our lists: `unknown_to_the_lists LIBRARY`."""

import importlib
import inspect
import sys

from models.vetting import keras_names as names

BASES = {
    "layers": ("Layer", names.LAYERS),
    "initializers": ("Initializer", names.INITIALIZERS),
    "regularizers": ("Regularizer", names.REGULARIZERS),
    "constraints": ("Constraint", names.CONSTRAINTS),
}

if __name__ == "__main__":
    library = importlib.import_module(sys.argv[1])
    for part, (base, known) in BASES.items():
        module = importlib.import_module(f"{sys.argv[1]}.{part}")
        kind = getattr(module, base)
        found = {name for name, each in vars(module).items() if inspect.isclass(each) and issubclass(each, kind)}
        print(*(found - known - {base}))
    activations = {name for name, each in vars(library.activations).items() if inspect.isfunction(each)}
    print(*(activations - names.ACTIVATIONS - {"get", "serialize", "deserialize"}))
    if sys.argv[1] == "keras":
        from keras.src.ops.operation import Operation

        for part, known in names.OPERATIONS.items():
            module = importlib.import_module(f"keras.src.ops.{part}")
            for name, each in vars(module).items():
                if inspect.isclass(each) and issubclass(each, Operation) and each.__module__ == module.__name__:
                    print(*({name} - known))

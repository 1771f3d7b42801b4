/* The Python module: chooses the kernels for this processor. */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

#ifndef SOURCES
#error "SOURCES must be the digest of the sources: see nnexp/native/build.py"
#endif

/* In the order of the enumeration. */
static const char *const FUNCTIONS[] = {"exp", "log", "log1p", "sigmoid", "tanh", NULL};

/* ---- the choice of kernels ---- */

struct Choice {
    const char *name;
    const struct Kernels *kernels;
    bool is_supported;
};

/* Fill in the kernels of this architecture, fastest first; return how many there are. */
static size_t list_choices(struct Choice *choices)
{
#if defined(__x86_64__)
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    choices[0] = (struct Choice){"avx512", &kernels_avx512, avx512};
    choices[1] = (struct Choice){"avx2", &kernels_avx2, avx2};
    return 2;
#elif defined(__aarch64__)
    choices[0] = (struct Choice){"neon", &kernels_neon, true};
    return 1;
#endif
}

/* Choose the fastest supported kernels, or those that NNEXP_NATIVE_KERNELS names. */
static const struct Choice *choose(const struct Choice *choices, size_t count)
{
    const char *named = getenv("NNEXP_NATIVE_KERNELS");
    const char *wanted = named && named[0] ? named : NULL;
    for (size_t i = 0; i < count; i++) {
        const bool matches = wanted == NULL || strcmp(wanted, choices[i].name) == 0;
        if (matches && choices[i].is_supported)
            return &choices[i];
    }
    if (wanted)
        PyErr_Format(PyExc_ImportError,
                     "NNEXP_NATIVE_KERNELS: this processor has no kernels named '%s'; they are "
                     "avx512, avx2 and neon, of which it has those that it can run", wanted);
    else
        PyErr_SetString(PyExc_ImportError,
                        "this processor has no fused multiply-add (AVX2 with FMA)");
    return NULL;
}

/* ---- the module ---- */

static PyObject *apply(PyObject *module, PyObject *args)
{
    const struct State *state = PyModule_GetState(module);
    struct Array arrays[] = {
        {.name = "values", .format = 'f', .count = -1},
        {.name = "out", .format = 'f', .writable = true, .count = -1},
    };
    PyObject *objects[2];
    const char *name;
    if (!PyArg_ParseTuple(args, "sOO:apply", &name, &objects[0], &objects[1]))
        return NULL;
    const int function = find_name("function", name, FUNCTIONS);
    if (function < 0 || !acquire_all(arrays, objects, 2))
        return NULL;
    const ptrdiff_t count = element_count(&arrays[0]);
    bool is_valid = check_count(&arrays[1], count);
    if (is_valid && count % PADDED_TO != 0) {
        PyErr_Format(PyExc_ValueError, "values must have a multiple of %d elements", PADDED_TO);
        is_valid = false;
    }
    if (is_valid)
        state->kernels->apply((enum Function)function, count, arrays[0].buffer.buf,
                              arrays[1].buffer.buf);
    release_all(arrays, 2);
    if (!is_valid)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"apply", apply, METH_VARARGS,
     "apply(function, values, out)\n--\n\nApply an elementary function, for tests."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) < 0) {
        Py_XDECREF(type);
        return NULL;
    }
    return (PyTypeObject *)type;
}

static int module_exec(PyObject *module)
{
    struct State *state = PyModule_GetState(module);
    struct Choice choices[2];
    const struct Choice *choice = choose(choices, list_choices(choices));
    if (choice == NULL)
        return -1;
    state->kernels = choice->kernels;
    state->examples_type = add_type(module, &examples_spec);
    state->network_type = state->examples_type ? add_type(module, &network_spec) : NULL;
    if (state->network_type == NULL)
        return -1;
    if (PyModule_AddStringConstant(module, "SOURCES", SOURCES) < 0)
        return -1;
    if (PyModule_AddIntConstant(module, "CHUNK", CHUNK) < 0)
        return -1;
    return PyModule_AddStringConstant(module, "NAME", choice->name);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    const struct State *state = PyModule_GetState(module);
    Py_VISIT(state->examples_type);
    Py_VISIT(state->network_type);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct State *state = PyModule_GetState(module);
    Py_CLEAR(state->examples_type);
    Py_CLEAR(state->network_type);
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_kernels",
    .m_doc = "The kernels of the native backend; see nnexp.native.kernels.",
    .m_size = sizeof(struct State),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit__kernels(void);
PyMODINIT_FUNC PyInit__kernels(void)
{
    return PyModuleDef_Init(&module_definition);
}

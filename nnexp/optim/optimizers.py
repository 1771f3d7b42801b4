"""The optimizers a config can name."""

from __future__ import annotations

from typing import TypeAlias

from nnexp.optim.adam import Adam
from nnexp.optim.conjugate_gradient import ConjugateGradient
from nnexp.optim.hessian_free import HessianFree
from nnexp.optim.newton import Newton
from nnexp.optim.quasi_newton import Bfgs, LBfgs
from nnexp.optim.sgd import Momentum, Nesterov, Sgd

MiniBatchOptimizer: TypeAlias = Sgd | Momentum | Nesterov | Adam
FullBatchOptimizer: TypeAlias = Newton | HessianFree | ConjugateGradient | Bfgs | LBfgs
Optimizer: TypeAlias = MiniBatchOptimizer | FullBatchOptimizer

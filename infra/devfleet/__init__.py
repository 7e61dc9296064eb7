"""A whole Strait fleet on one machine: PostgreSQL, control plane, edges, and providers to answer.

`infra/dev` (behind `make run`) and the end-to-end tests start their fleets from here. Standard library only,
so that it runs with any Python from 3.11 on before anything is installed.
"""

import OperatorCommand

await Strait.launch()
